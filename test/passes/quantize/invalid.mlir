// RUN: not gemma-opt %s --gemma-quantize="format=q5" 2>&1 | FileCheck %s --check-prefix=FORMAT
// RUN: not gemma-opt %s --gemma-quantize="format=q4 exact=nothing" 2>&1 | FileCheck %s --check-prefix=EXACT

// FORMAT: error: unknown quantization format 'q5', expected none, q8 or q4
// EXACT: error: exact: there is no gemma.weight @nothing
module {
}
