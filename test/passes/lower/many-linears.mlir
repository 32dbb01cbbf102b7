// RUN: gemma-opt %s --pass-pipeline='builtin.module(gemma-to-step{context=64 chunk=8})' | FileCheck %s

// The plan of a phase has bits for 32 linears: the 33rd of one x is a product of its own.
gemma.weight @table {random = 1 : i64} : tensor<10x32xf32>
gemma.weight @w0 {random = 2 : i64} : tensor<16x32xf32>
gemma.weight @w1 {random = 3 : i64} : tensor<16x32xf32>
gemma.weight @w2 {random = 4 : i64} : tensor<16x32xf32>
gemma.weight @w3 {random = 5 : i64} : tensor<16x32xf32>
gemma.weight @w4 {random = 6 : i64} : tensor<16x32xf32>
gemma.weight @w5 {random = 7 : i64} : tensor<16x32xf32>
gemma.weight @w6 {random = 8 : i64} : tensor<16x32xf32>
gemma.weight @w7 {random = 9 : i64} : tensor<16x32xf32>
gemma.weight @w8 {random = 10 : i64} : tensor<16x32xf32>
gemma.weight @w9 {random = 11 : i64} : tensor<16x32xf32>
gemma.weight @w10 {random = 12 : i64} : tensor<16x32xf32>
gemma.weight @w11 {random = 13 : i64} : tensor<16x32xf32>
gemma.weight @w12 {random = 14 : i64} : tensor<16x32xf32>
gemma.weight @w13 {random = 15 : i64} : tensor<16x32xf32>
gemma.weight @w14 {random = 16 : i64} : tensor<16x32xf32>
gemma.weight @w15 {random = 17 : i64} : tensor<16x32xf32>
gemma.weight @w16 {random = 18 : i64} : tensor<16x32xf32>
gemma.weight @w17 {random = 19 : i64} : tensor<16x32xf32>
gemma.weight @w18 {random = 20 : i64} : tensor<16x32xf32>
gemma.weight @w19 {random = 21 : i64} : tensor<16x32xf32>
gemma.weight @w20 {random = 22 : i64} : tensor<16x32xf32>
gemma.weight @w21 {random = 23 : i64} : tensor<16x32xf32>
gemma.weight @w22 {random = 24 : i64} : tensor<16x32xf32>
gemma.weight @w23 {random = 25 : i64} : tensor<16x32xf32>
gemma.weight @w24 {random = 26 : i64} : tensor<16x32xf32>
gemma.weight @w25 {random = 27 : i64} : tensor<16x32xf32>
gemma.weight @w26 {random = 28 : i64} : tensor<16x32xf32>
gemma.weight @w27 {random = 29 : i64} : tensor<16x32xf32>
gemma.weight @w28 {random = 30 : i64} : tensor<16x32xf32>
gemma.weight @w29 {random = 31 : i64} : tensor<16x32xf32>
gemma.weight @w30 {random = 32 : i64} : tensor<16x32xf32>
gemma.weight @w31 {random = 33 : i64} : tensor<16x32xf32>
gemma.weight @w32 {random = 34 : i64} : tensor<16x32xf32>

func.func @decode(%tokens: tensor<1xi32>, %pos: tensor<1xi32>, %seq: tensor<1xi32>) -> tensor<1x16xf32> attributes {gemma.entry = "decode"} {
  %x = gemma.embed %tokens, @table {scale = 1.0 : f64} : tensor<1xi32> -> tensor<1x32xf32> loc("embed")
  %y:33 = gemma.fusion ["many"] {
    %a0 = gemma.linear %x, @w0 : tensor<1x32xf32> -> tensor<1x16xf32> loc("w0")
    %a1 = gemma.linear %x, @w1 : tensor<1x32xf32> -> tensor<1x16xf32> loc("w1")
    %a2 = gemma.linear %x, @w2 : tensor<1x32xf32> -> tensor<1x16xf32> loc("w2")
    %a3 = gemma.linear %x, @w3 : tensor<1x32xf32> -> tensor<1x16xf32> loc("w3")
    %a4 = gemma.linear %x, @w4 : tensor<1x32xf32> -> tensor<1x16xf32> loc("w4")
    %a5 = gemma.linear %x, @w5 : tensor<1x32xf32> -> tensor<1x16xf32> loc("w5")
    %a6 = gemma.linear %x, @w6 : tensor<1x32xf32> -> tensor<1x16xf32> loc("w6")
    %a7 = gemma.linear %x, @w7 : tensor<1x32xf32> -> tensor<1x16xf32> loc("w7")
    %a8 = gemma.linear %x, @w8 : tensor<1x32xf32> -> tensor<1x16xf32> loc("w8")
    %a9 = gemma.linear %x, @w9 : tensor<1x32xf32> -> tensor<1x16xf32> loc("w9")
    %a10 = gemma.linear %x, @w10 : tensor<1x32xf32> -> tensor<1x16xf32> loc("w10")
    %a11 = gemma.linear %x, @w11 : tensor<1x32xf32> -> tensor<1x16xf32> loc("w11")
    %a12 = gemma.linear %x, @w12 : tensor<1x32xf32> -> tensor<1x16xf32> loc("w12")
    %a13 = gemma.linear %x, @w13 : tensor<1x32xf32> -> tensor<1x16xf32> loc("w13")
    %a14 = gemma.linear %x, @w14 : tensor<1x32xf32> -> tensor<1x16xf32> loc("w14")
    %a15 = gemma.linear %x, @w15 : tensor<1x32xf32> -> tensor<1x16xf32> loc("w15")
    %a16 = gemma.linear %x, @w16 : tensor<1x32xf32> -> tensor<1x16xf32> loc("w16")
    %a17 = gemma.linear %x, @w17 : tensor<1x32xf32> -> tensor<1x16xf32> loc("w17")
    %a18 = gemma.linear %x, @w18 : tensor<1x32xf32> -> tensor<1x16xf32> loc("w18")
    %a19 = gemma.linear %x, @w19 : tensor<1x32xf32> -> tensor<1x16xf32> loc("w19")
    %a20 = gemma.linear %x, @w20 : tensor<1x32xf32> -> tensor<1x16xf32> loc("w20")
    %a21 = gemma.linear %x, @w21 : tensor<1x32xf32> -> tensor<1x16xf32> loc("w21")
    %a22 = gemma.linear %x, @w22 : tensor<1x32xf32> -> tensor<1x16xf32> loc("w22")
    %a23 = gemma.linear %x, @w23 : tensor<1x32xf32> -> tensor<1x16xf32> loc("w23")
    %a24 = gemma.linear %x, @w24 : tensor<1x32xf32> -> tensor<1x16xf32> loc("w24")
    %a25 = gemma.linear %x, @w25 : tensor<1x32xf32> -> tensor<1x16xf32> loc("w25")
    %a26 = gemma.linear %x, @w26 : tensor<1x32xf32> -> tensor<1x16xf32> loc("w26")
    %a27 = gemma.linear %x, @w27 : tensor<1x32xf32> -> tensor<1x16xf32> loc("w27")
    %a28 = gemma.linear %x, @w28 : tensor<1x32xf32> -> tensor<1x16xf32> loc("w28")
    %a29 = gemma.linear %x, @w29 : tensor<1x32xf32> -> tensor<1x16xf32> loc("w29")
    %a30 = gemma.linear %x, @w30 : tensor<1x32xf32> -> tensor<1x16xf32> loc("w30")
    %a31 = gemma.linear %x, @w31 : tensor<1x32xf32> -> tensor<1x16xf32> loc("w31")
    %a32 = gemma.linear %x, @w32 : tensor<1x32xf32> -> tensor<1x16xf32> loc("w32")
    gemma.yield %a0, %a1, %a2, %a3, %a4, %a5, %a6, %a7, %a8, %a9, %a10, %a11, %a12, %a13, %a14, %a15, %a16, %a17, %a18, %a19, %a20, %a21, %a22, %a23, %a24, %a25, %a26, %a27, %a28, %a29, %a30, %a31, %a32 : tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>
  } : tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>, tensor<1x16xf32>
  %s1 = gemma.add %y#0, %y#1 : tensor<1x16xf32> loc("s1")
  %s2 = gemma.add %s1, %y#2 : tensor<1x16xf32> loc("s2")
  %s3 = gemma.add %s2, %y#3 : tensor<1x16xf32> loc("s3")
  %s4 = gemma.add %s3, %y#4 : tensor<1x16xf32> loc("s4")
  %s5 = gemma.add %s4, %y#5 : tensor<1x16xf32> loc("s5")
  %s6 = gemma.add %s5, %y#6 : tensor<1x16xf32> loc("s6")
  %s7 = gemma.add %s6, %y#7 : tensor<1x16xf32> loc("s7")
  %s8 = gemma.add %s7, %y#8 : tensor<1x16xf32> loc("s8")
  %s9 = gemma.add %s8, %y#9 : tensor<1x16xf32> loc("s9")
  %s10 = gemma.add %s9, %y#10 : tensor<1x16xf32> loc("s10")
  %s11 = gemma.add %s10, %y#11 : tensor<1x16xf32> loc("s11")
  %s12 = gemma.add %s11, %y#12 : tensor<1x16xf32> loc("s12")
  %s13 = gemma.add %s12, %y#13 : tensor<1x16xf32> loc("s13")
  %s14 = gemma.add %s13, %y#14 : tensor<1x16xf32> loc("s14")
  %s15 = gemma.add %s14, %y#15 : tensor<1x16xf32> loc("s15")
  %s16 = gemma.add %s15, %y#16 : tensor<1x16xf32> loc("s16")
  %s17 = gemma.add %s16, %y#17 : tensor<1x16xf32> loc("s17")
  %s18 = gemma.add %s17, %y#18 : tensor<1x16xf32> loc("s18")
  %s19 = gemma.add %s18, %y#19 : tensor<1x16xf32> loc("s19")
  %s20 = gemma.add %s19, %y#20 : tensor<1x16xf32> loc("s20")
  %s21 = gemma.add %s20, %y#21 : tensor<1x16xf32> loc("s21")
  %s22 = gemma.add %s21, %y#22 : tensor<1x16xf32> loc("s22")
  %s23 = gemma.add %s22, %y#23 : tensor<1x16xf32> loc("s23")
  %s24 = gemma.add %s23, %y#24 : tensor<1x16xf32> loc("s24")
  %s25 = gemma.add %s24, %y#25 : tensor<1x16xf32> loc("s25")
  %s26 = gemma.add %s25, %y#26 : tensor<1x16xf32> loc("s26")
  %s27 = gemma.add %s26, %y#27 : tensor<1x16xf32> loc("s27")
  %s28 = gemma.add %s27, %y#28 : tensor<1x16xf32> loc("s28")
  %s29 = gemma.add %s28, %y#29 : tensor<1x16xf32> loc("s29")
  %s30 = gemma.add %s29, %y#30 : tensor<1x16xf32> loc("s30")
  %s31 = gemma.add %s30, %y#31 : tensor<1x16xf32> loc("s31")
  %s32 = gemma.add %s31, %y#32 : tensor<1x16xf32> loc("s32")
  return %s32 : tensor<1x16xf32>
}

// CHECK: step.phase "w0_{{.*}}_w31" rows(all) cols(32)
// CHECK: step.phase "w32" rows(all) cols(1)
