// RUN: bigmac-opt --nn-fold-constants --verify-diagnostics %s

func.func @outside() -> tensor<1xf32> {
  %table = arith.constant dense<[1.0, 3.0]> : tensor<2xf32>
  %ids = arith.constant dense<2> : tensor<1xi64>
  // expected-error @+1 {{2}}
  %0 = nn.embedding %table, %ids : tensor<2xf32>, tensor<1xi64>
  return %0 : tensor<1xf32>
}
