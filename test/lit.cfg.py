# FileCheck tests of the dialects, passes and tools. By ctest the paths come from lit.site.cfg.py; by hand,
#   /usr/lib/llvm-22/bin/lit -sv test/passes/fuse
# uses build/bin, or the folder that the environment variable GEMMAC_BIN names.
import os
import shutil

import lit.formats

here = os.path.dirname(os.path.abspath(__file__))
root = os.path.dirname(here)

config.name = "gemmac"
# lit's own shell: no bash needed, and a pipe fails where any of its commands fails.
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Inputs", "unit", "e2e", "robust", "fuzz"]
config.test_source_root = here

tools = getattr(config, "gemmac_bin", os.environ.get("GEMMAC_BIN", os.path.join(root, "build", "bin")))
llvm_tools = getattr(config, "llvm_tools", "/usr/lib/llvm-22/bin")
config.test_exec_root = getattr(config, "test_exec_root", None) or os.path.join(os.path.dirname(tools), "test", "lit")

for tool in ("FileCheck", "not", "split-file"):
    if not os.access(os.path.join(llvm_tools, tool), os.X_OK):
        lit_config.fatal(f"{tool} is not in {llvm_tools}; install llvm-22-tools")
# A tool of ours that is not built fails the tests that run it: "command not found" is no match for any CHECK line,
# and not(1) passes only on the exit status of a command that ran.
config.environment["PATH"] = os.pathsep.join([tools, llvm_tools, os.environ.get("PATH", "/usr/bin:/bin")])
config.environment["GEMMAC_BIN"] = tools

# %inputs: test/Inputs, with the tiny checkpoints under goldens/ and the trained one in psalter.
config.substitutions.append(("%inputs", os.path.join(here, "Inputs")))

# ptxas, as gemmac finds it.
cuda_home = os.environ.get("CUDA_HOME")
if cuda_home:
    config.environment["CUDA_HOME"] = cuda_home
    ptxas = [os.path.join(cuda_home, "bin", "ptxas")]
else:
    ptxas = [shutil.which("ptxas"), "/usr/local/cuda/bin/ptxas"]
if any(path and os.access(path, os.X_OK) for path in ptxas):
    config.available_features.add("ptxas")
