// Memory of large CPU tensors, kept between steps: the kernel clears pages that are new to a
// process, which takes longer than most operations on them.
//
// Invariant: free neighbours are one piece, so what was in use once serves later tensors of any
// size; memory is taken from the system only where no piece is large enough.
#pragma once

namespace medcoss {

/// Makes all CPU tensors of the process from 1 MiB on take their memory here, in huge pages where
/// the system has them. Once per process; further calls change nothing.
void keep_tensor_memory();

/// Gives what is free back to the system.
void release_tensor_memory();

}  // namespace medcoss
