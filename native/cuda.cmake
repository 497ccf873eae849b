# Sources of libmedcoss_cuda.so, listed so that nothing is built by accident.

# Kernels: compiled by nvcc for every target; they see pointers and sizes, no header of LibTorch.
set(MEDCOSS_CUDA_KERNELS
    native/ops/cuda/adamw.cu
    native/ops/cuda/attention_backward.cu
    native/ops/cuda/attention_forward.cu
    native/ops/cuda/block_columns.cu
    native/ops/cuda/block_norm.cu
    native/ops/cuda/block_norm_backward.cu
    native/ops/cuda/block_norm_backward_any.cu
    native/ops/cuda/block_residual.cu
    native/ops/cuda/crop_resize.cu
    native/ops/cuda/feature_distance.cu
    native/ops/cuda/kmeans_decide.cu
    native/ops/cuda/kmeans_nearest.cu
    native/ops/cuda/kmeans_nearest_hopper.cu
    native/ops/cuda/kmeans_prepare.cu
    native/ops/cuda/kmeans_seeds.cu
    native/ops/cuda/kmeans_sums.cu
    native/ops/cuda/patch_loss.cu
    native/ops/cuda/patches.cu
    native/ops/cuda/rows_by_index.cu
    native/ops/cuda/word_loss.cu)

# Host code: launchers, streams, graphs; compiled by the C++ compiler.
set(MEDCOSS_CUDA_SOURCES
    native/ops/sequences.cpp
    native/ops/cuda/attention.cpp
    native/ops/cuda/block.cpp
    native/ops/cuda/graph.cpp
    native/ops/cuda/kmeans_assigner.cpp
    native/ops/cuda/kmeans_lloyd.cpp
    native/ops/cuda/kmeans_samples.cpp
    native/ops/cuda/kmeans_seeding.cpp
    native/ops/cuda/kmeans_upload.cpp
    native/ops/cuda/library.cpp
    native/ops/cuda/losses.cpp
    native/ops/cuda/optimizer.cpp
    native/ops/cuda/pictures.cpp
    native/ops/cuda/rows.cpp)

# The GPUs that are compiled for. PTX of the last serves newer ones.
set(MEDCOSS_CUDA_TARGETS 80 86 89 90a 100)
