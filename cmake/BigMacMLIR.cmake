# Finds LLVM/MLIR 22 and defines how the compiler's libraries and dialects are built.
# Everything links the shared libMLIR and libLLVM: mixing them with the static archives
# would give two copies of every type id.

find_package(MLIR REQUIRED CONFIG)
if(NOT LLVM_VERSION_MAJOR EQUAL 22)
  message(FATAL_ERROR "BigMac needs LLVM/MLIR 22, found ${LLVM_PACKAGE_VERSION} in ${MLIR_DIR}")
endif()
message(STATUS "Using MLIR from ${MLIR_DIR}")
list(APPEND CMAKE_MODULE_PATH "${MLIR_CMAKE_DIR}" "${LLVM_CMAKE_DIR}")
set(LLVM_LINK_LLVM_DYLIB ON)
include(TableGen)
include(AddLLVM)
include(AddMLIR)
include_directories(SYSTEM ${LLVM_INCLUDE_DIRS} ${MLIR_INCLUDE_DIRS})
separate_arguments(BIGMAC_LLVM_DEFS NATIVE_COMMAND "${LLVM_DEFINITIONS}")
add_definitions(${BIGMAC_LLVM_DEFS})

add_custom_target(bigmac-headers)

# One precompiled header for all compiler libraries: an MLIR translation unit is mostly headers.
if(BIGMAC_PCH)
  file(WRITE ${CMAKE_BINARY_DIR}/pch/pch.cpp "namespace bigmac { int pchAnchor = 0; }\n")
  add_library(BigMacPCH STATIC ${CMAKE_BINARY_DIR}/pch/pch.cpp)
  target_compile_options(BigMacPCH PRIVATE "SHELL:-Xclang -fno-pch-timestamp")
  target_precompile_headers(BigMacPCH PRIVATE
    <optional> <string> <vector>
    <mlir/Dialect/Arith/IR/Arith.h> <mlir/Dialect/Func/IR/FuncOps.h> <mlir/Dialect/Linalg/IR/Linalg.h>
    <mlir/Dialect/Math/IR/Math.h> <mlir/Dialect/MemRef/IR/MemRef.h> <mlir/Dialect/SCF/IR/SCF.h>
    <mlir/Dialect/Tensor/IR/Tensor.h> <mlir/IR/BuiltinOps.h> <mlir/IR/PatternMatch.h>
    <mlir/Pass/Pass.h> <mlir/Pass/PassManager.h>)
endif()

# bigmac_add_library(Name sources... [DEPENDS targets...] [LIBS libs...] [EXCEPTIONS])
# A static compiler library. LLVM is built without exceptions; EXCEPTIONS turns them on for
# libraries that use a throwing third party (protobuf), which then must catch at their border.
function(bigmac_add_library name)
  cmake_parse_arguments(ARG "EXCEPTIONS" "" "DEPENDS;LIBS" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  add_dependencies(${name} bigmac-headers ${ARG_DEPENDS})
  target_link_libraries(${name} PUBLIC ${ARG_LIBS} MLIR LLVM)
  if(NOT ARG_EXCEPTIONS)
    target_compile_options(${name} PRIVATE -fno-exceptions)
  endif()
  if(BIGMAC_PCH AND NOT ARG_EXCEPTIONS)
    target_compile_options(${name} PRIVATE "SHELL:-Xclang -fno-pch-timestamp")
    target_precompile_headers(${name} REUSE_FROM BigMacPCH)
  endif()
endfunction()
if(BIGMAC_PCH)
  target_compile_options(BigMacPCH PRIVATE -fno-exceptions)
endif()

# bigmac_tablegen(File.td target generator output generator output ...)
function(bigmac_tablegen td target)
  set(LLVM_TARGET_DEFINITIONS ${td})
  set(rest ${ARGN})
  while(rest)
    list(POP_FRONT rest output)
    list(POP_FRONT rest flags)
    separate_arguments(flags)
    mlir_tablegen(${output} ${flags} -I${PROJECT_SOURCE_DIR} -I${PROJECT_SOURCE_DIR}/include)
  endwhile()
  add_public_tablegen_target(${target})
  add_dependencies(bigmac-headers ${target})
endfunction()
