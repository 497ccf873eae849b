# Builds libmedcoss_cuda.so where there is an nvcc (MEDCOSS_NVCC), from the sources of cuda.cmake.
#
# Invariant: what ptxas says of each kernel (registers, shared memory, spills) is kept beside its object, in
# build/native/cuda/*.ptxas.txt. Neither nvcc nor a GPU is asked anything while configuring.
include(native/cuda.cmake)

get_filename_component(MEDCOSS_CUDA_BIN "${MEDCOSS_NVCC}" DIRECTORY)
get_filename_component(MEDCOSS_CUDA_TOOLKIT "${MEDCOSS_CUDA_BIN}" DIRECTORY)
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/cuda)

set(MEDCOSS_CUDA_INCLUDE "${MEDCOSS_CUDA_TOOLKIT}/include")
find_file(MEDCOSS_CUDART libcudart.so.13 NO_DEFAULT_PATH REQUIRED
          PATHS "${MEDCOSS_CUDA_TOOLKIT}/lib" "${MEDCOSS_CUDA_TOOLKIT}/lib64")

set(MEDCOSS_NVCC_FLAGS -std=c++17 -O3 --expt-relaxed-constexpr -Werror all-warnings -Xptxas -v,-warn-spills
                       -Xcompiler -Wall,-Wextra,-Werror,-Wno-unused-parameter,-fPIC,-fvisibility=hidden)
foreach(target ${MEDCOSS_CUDA_TARGETS})
  list(APPEND MEDCOSS_NVCC_FLAGS -gencode arch=compute_${target},code=sm_${target})
endforeach()
list(GET MEDCOSS_CUDA_TARGETS -1 newest)
list(APPEND MEDCOSS_NVCC_FLAGS -gencode arch=compute_${newest},code=compute_${newest})

# Runs a compiler with its messages in a file, which is shown where it fails.
set(quietly [[report=$1; shift; "$@" 2> "$report" || { cat "$report" >&2; exit 1; }]])

set(MEDCOSS_CUDA_OBJECTS)
foreach(source ${MEDCOSS_CUDA_KERNELS})
  get_filename_component(stem ${source} NAME_WE)
  set(object ${CMAKE_BINARY_DIR}/cuda/${stem}.o)
  add_custom_command(
    OUTPUT ${object}
    COMMAND
      sh -c "${quietly}" nvcc ${CMAKE_BINARY_DIR}/cuda/${stem}.ptxas.txt ${CMAKE_CXX_COMPILER_LAUNCHER} ${MEDCOSS_NVCC}
      ${MEDCOSS_NVCC_FLAGS} -ccbin ${CMAKE_CXX_COMPILER} -I${CMAKE_CURRENT_SOURCE_DIR}/native -isystem
      ${MEDCOSS_CUDA_INCLUDE} -MD -MF ${object}.d -c ${CMAKE_CURRENT_SOURCE_DIR}/${source} -o ${object}
    DEPENDS ${source} native/cuda.cmake native/cuda_library.cmake
    DEPFILE ${object}.d
    COMMENT "Compiling ${source}"
    VERBATIM)
  list(APPEND MEDCOSS_CUDA_OBJECTS ${object})
endforeach()

add_library(medcoss_cuda SHARED ${MEDCOSS_CUDA_SOURCES} ${MEDCOSS_CUDA_OBJECTS})
set_source_files_properties(${MEDCOSS_CUDA_OBJECTS} PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE)
target_include_directories(medcoss_cuda SYSTEM PRIVATE ${MEDCOSS_LIBTORCH}/include ${MEDCOSS_CUDA_INCLUDE})
target_link_libraries(
  medcoss_cuda PRIVATE medcoss_options ${MEDCOSS_LIBTORCH}/lib/libtorch_cpu.so ${MEDCOSS_LIBTORCH}/lib/libc10.so
                       ${MEDCOSS_LIBTORCH}/lib/libtorch_cuda.so ${MEDCOSS_LIBTORCH}/lib/libc10_cuda.so
                       ${MEDCOSS_CUDART})
# The CPU set of LibTorch has no cuBLAS, cuDNN and so on, which libtorch_cuda needs and this library does not name.
target_link_options(medcoss_cuda PRIVATE -Wl,--unresolved-symbols=ignore-in-shared-libs -Wl,--no-undefined
                    -Wl,--no-as-needed)
