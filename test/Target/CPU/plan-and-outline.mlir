// RUN: bigmac-opt %s --cpu-plan-workspace | FileCheck %s --check-prefix=PLAN
// RUN: bigmac-opt %s --cpu-plan-workspace --cpu-outline-kernels | FileCheck %s

func.func private @bm_sgemm(!llvm.ptr)

// Two buffers of 1 KiB with a library call between their uses share bytes. Those of one loop do
// not, although one is dead before the other is written.
// PLAN-LABEL: func @task
// PLAN-SAME: %[[WORKSPACE:[a-z0-9]*]]: memref<2048xi8>)
// PLAN-DAG: memref.view %[[WORKSPACE]]
// CHECK-LABEL: func @task
func.func @task(%x: memref<256xf32>, %y: memref<256xf32>) {
  // CHECK: call @bm_kernel_0(%{{.*}}) : (memref<256xf32>, memref<256xf32>) -> ()
  // CHECK: call @bm_sgemm
  // CHECK: call @bm_kernel_1
  // CHECK: call @bm_kernel_0
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c256 = arith.constant 256 : index
  %a = memref.alloc() : memref<256xf32>
  scf.for %i = %c0 to %c256 step %c1 {
    %0 = memref.load %x[%i] : memref<256xf32>
    memref.store %0, %a[%i] : memref<256xf32>
  }
  %p = memref.extract_aligned_pointer_as_index %a : memref<256xf32> -> index
  %q = arith.index_cast %p : index to i64
  %r = llvm.inttoptr %q : i64 to !llvm.ptr
  call @bm_sgemm(%r) : (!llvm.ptr) -> ()
  %b = memref.alloc() : memref<256xf32>
  %c = memref.alloc() : memref<256xf32>
  scf.for %j = %c0 to %c1 step %c1 {
    scf.for %i = %c0 to %c256 step %c1 {
      %0 = memref.load %x[%i] : memref<256xf32>
      memref.store %0, %b[%i] : memref<256xf32>
    }
    scf.for %i = %c0 to %c256 step %c1 {
      %0 = memref.load %b[%i] : memref<256xf32>
      memref.store %0, %y[%i] : memref<256xf32>
    }
    scf.for %i = %c0 to %c256 step %c1 {
      %0 = memref.load %y[%i] : memref<256xf32>
      memref.store %0, %c[%i] : memref<256xf32>
    }
  }
  scf.for %i = %c0 to %c256 step %c1 {
    %0 = memref.load %x[%i] : memref<256xf32>
    memref.store %0, %y[%i] : memref<256xf32>
  }
  return
}

// CHECK: func private @bm_kernel_0(%{{.*}}: memref<256xf32> {llvm.align = 64 : i64, llvm.dereferenceable = 1024 : i64, llvm.noalias}
// CHECK: func private @bm_kernel_1
// CHECK-NOT: @bm_kernel_2
