# Finds what the CUDA target needs: headers and compiler to build with, and the folders where the
# libraries that a training program loads when it starts may lie. Looked for in a CUDA Toolkit
# (CUDAToolkit_ROOT, CUDA_HOME, /usr/local/cuda), in the system's folders, and in the nvidia-*
# wheels of Python (BIGMAC_NVIDIA_WHEELS names the folder "nvidia"; by default that of python3).
# All or nothing: without one of them the project builds everything but the CUDA target. Only the
# headers of cudnn_frontend may be missing: programs then have no fused attention.
#
# Sets BIGMAC_CUDA_FOUND and BIGMAC_CUDA_MISSING (text), BIGMAC_CUDA_INCLUDE_DIRS,
# BIGMAC_CUDA_LIBRARY_DIRS, BIGMAC_NVCC, BIGMAC_PTXAS, BIGMAC_CUDA_TOOLKIT (the folder with bin/ and
# nvvm/), bigmac_add_cuda_image(), BIGMAC_CUDNN_FRONTEND_FOUND and BIGMAC_CUDNN_FRONTEND_INCLUDE_DIR.

include_guard(GLOBAL)

set(BIGMAC_CUDA AUTO CACHE STRING "Build the CUDA target: AUTO (if everything is found), ON or OFF")
set(BIGMAC_CUDA_ARCHITECTURES 90 CACHE STRING "GPUs that the runtime's own kernels are compiled for; \
newer ones compile the last one's PTX when they load it")
set(BIGMAC_NVIDIA_WHEELS "" CACHE PATH "The folder 'nvidia' of Python's site-packages")

function(bigmac_find_cuda)
  set(roots "")
  foreach(root "${CUDAToolkit_ROOT}" "$ENV{CUDAToolkit_ROOT}" "$ENV{CUDA_HOME}" /usr/local/cuda)
    if(root)
      list(APPEND roots ${root})
    endif()
  endforeach()
  set(wheels ${BIGMAC_NVIDIA_WHEELS})
  if(NOT wheels)
    execute_process(COMMAND python3 -c "import sysconfig; print(sysconfig.get_path('platlib'))"
                    OUTPUT_VARIABLE site OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    set(wheels "${site}/nvidia")
  endif()
  file(GLOB parts LIST_DIRECTORIES true ${wheels}/*)
  list(APPEND roots ${parts})

  set(missing "")
  set(includes "")
  # Header, and who has it.
  foreach(pair "cuda.h|the CUDA Toolkit or nvidia-cuda-runtime" "nccl.h|NCCL or nvidia-nccl-cu13"
               "nvtx3/nvToolsExt.h|the CUDA Toolkit or nvidia-nvtx"
               "cublasLt.h|the CUDA Toolkit or nvidia-cublas" "cudnn.h|cuDNN or nvidia-cudnn-cu13")
    string(REPLACE "|" ";" pair "${pair}")
    list(GET pair 0 header)
    list(GET pair 1 owner)
    string(MAKE_C_IDENTIFIER "BIGMAC_HAS_${header}" variable)
    find_path(${variable} ${header} HINTS ${roots} PATH_SUFFIXES include)
    mark_as_advanced(${variable})
    if(${variable})
      list(APPEND includes ${${variable}})
    else()
      list(APPEND missing "${header} (${owner})")
    endif()
  endforeach()
  foreach(tool nvcc ptxas)
    string(TOUPPER BIGMAC_${tool} variable)
    find_program(${variable} ${tool} HINTS ${roots} PATH_SUFFIXES bin)
    mark_as_advanced(${variable})
    if(NOT ${variable})
      list(APPEND missing "${tool} (the CUDA Toolkit or nvidia-cuda-nvcc)")
    endif()
  endforeach()
  # nvcc without its parts or without a host compiler that it knows is of no use.
  if(BIGMAC_NVCC AND NOT missing)
    set(try ${CMAKE_BINARY_DIR}/CMakeFiles/cuda-try)
    file(WRITE ${try}.cu "extern \"C\" __global__ void f(float *x) { *x = 1; }\n")
    execute_process(COMMAND ${BIGMAC_NVCC} -arch=sm_90 -cubin ${try}.cu -o ${try}.cubin
                    RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
    if(NOT status EQUAL 0)
      list(APPEND missing "an nvcc that works (${BIGMAC_NVCC} says: ${output})")
    endif()
  endif()
  # Of the wheel nvidia-cudnn-frontend, whose headers may lie beside the folder "nvidia".
  find_path(BIGMAC_CUDNN_FRONTEND_INCLUDE_DIR cudnn_frontend.h
            HINTS ${roots} ${wheels}/.. PATH_SUFFIXES include)
  mark_as_advanced(BIGMAC_CUDNN_FRONTEND_INCLUDE_DIR)
  # Needed where the program runs, not where it is built: folders to look in besides the system's.
  set(folders "")
  foreach(library libnccl.so.2 libcudnn.so.9 libcublasLt.so.13 libcublasLt.so.12
                  libcudart.so.13 libcudart.so.12)
    foreach(root ${roots})
      foreach(suffix lib64 lib)
        if(EXISTS ${root}/${suffix}/${library})
          list(APPEND folders ${root}/${suffix})
          break()
        endif()
      endforeach()
    endforeach()
  endforeach()
  list(REMOVE_DUPLICATES includes)
  list(REMOVE_DUPLICATES folders)
  list(JOIN missing ", " missing)
  set(BIGMAC_CUDA_MISSING "${missing}" PARENT_SCOPE)
  set(BIGMAC_CUDA_INCLUDE_DIRS "${includes}" PARENT_SCOPE)
  set(BIGMAC_CUDA_LIBRARY_DIRS "${folders}" PARENT_SCOPE)
endfunction()

if(BIGMAC_CUDA STREQUAL OFF)
  set(BIGMAC_CUDA_MISSING "nothing: it was configured with BIGMAC_CUDA=OFF")
else()
  bigmac_find_cuda()
endif()
if(BIGMAC_CUDA_MISSING)
  set(BIGMAC_CUDA_FOUND FALSE)
  if(BIGMAC_CUDA STREQUAL ON)
    message(FATAL_ERROR "BIGMAC_CUDA=ON, but these were not found: ${BIGMAC_CUDA_MISSING}")
  endif()
  message(STATUS "CUDA target: off; missing: ${BIGMAC_CUDA_MISSING}")
else()
  set(BIGMAC_CUDA_FOUND TRUE)
  get_filename_component(BIGMAC_CUDA_TOOLKIT ${BIGMAC_PTXAS} REALPATH)
  get_filename_component(BIGMAC_CUDA_TOOLKIT ${BIGMAC_CUDA_TOOLKIT}/../.. ABSOLUTE)
  message(STATUS "CUDA target: on, with ${BIGMAC_CUDA_TOOLKIT}")
endif()
set(BIGMAC_CUDNN_FRONTEND_FOUND FALSE)
if(BIGMAC_CUDA_FOUND AND BIGMAC_CUDNN_FRONTEND_INCLUDE_DIR)
  set(BIGMAC_CUDNN_FRONTEND_FOUND TRUE)
  message(STATUS "Fused attention: on, with ${BIGMAC_CUDNN_FRONTEND_INCLUDE_DIR}/cudnn_frontend.h")
elseif(BIGMAC_CUDA_FOUND)
  message(STATUS "Fused attention: off; missing: cudnn_frontend.h (the wheel nvidia-cudnn-frontend; "
                 "its folder may be given as BIGMAC_CUDNN_FRONTEND_INCLUDE_DIR)")
endif()
set(BIGMAC_CUDNN_FRONTEND_FOUND "${BIGMAC_CUDNN_FRONTEND_FOUND}" CACHE INTERNAL "")
foreach(name FOUND MISSING INCLUDE_DIRS LIBRARY_DIRS TOOLKIT)
  set(BIGMAC_CUDA_${name} "${BIGMAC_CUDA_${name}}" CACHE INTERNAL "")
endforeach()

# bigmac_add_cuda_image(variable file.cu symbol): compiles kernels and sets `variable` to a C source
# with them as `const unsigned char symbol[]`. Without contraction to fused multiply-add, so that
# they give the CPU driver's bits.
function(bigmac_add_cuda_image variable source symbol)
  get_filename_component(source ${source} ABSOLUTE)
  set(base ${CMAKE_CURRENT_BINARY_DIR}/${symbol})
  set(codes "")
  foreach(arch ${BIGMAC_CUDA_ARCHITECTURES})
    list(APPEND codes -gencode arch=compute_${arch},code=sm_${arch})
    set(last ${arch})
  endforeach()
  list(APPEND codes -gencode arch=compute_${last},code=compute_${last})
  add_custom_command(
    OUTPUT ${base}.c
    COMMAND ${BIGMAC_NVCC} -fatbin -std=c++17 -O3 --fmad=false -I${PROJECT_SOURCE_DIR}/runtime
            ${codes} -MD -MF ${base}.d -MT ${base}.c ${source} -o ${base}.fatbin
    COMMAND ${CMAKE_COMMAND} -DINPUT=${base}.fatbin -DOUTPUT=${base}.c -DSYMBOL=${symbol}
            -P ${PROJECT_SOURCE_DIR}/cmake/EmbedFile.cmake
    DEPENDS ${source} ${PROJECT_SOURCE_DIR}/cmake/EmbedFile.cmake
    DEPFILE ${base}.d
    COMMENT "Compiling kernels of ${symbol}")
  set(${variable} ${base}.c PARENT_SCOPE)
endfunction()
