# Sources of libmedcoss_cuda.so, listed so that nothing is built by accident.

# Kernels: compiled by nvcc for every target; they see pointers and sizes, no header of LibTorch.
set(MEDCOSS_CUDA_KERNELS)

# Host code: launchers, streams, graphs; compiled by the C++ compiler.
set(MEDCOSS_CUDA_SOURCES native/ops/cuda/library.cpp)

# The GPUs that are compiled for. PTX of the last serves newer ones.
set(MEDCOSS_CUDA_TARGETS 80 86 89 90a 100)
