// The errors that a server may answer with, as the client takes them.
#pragma once

#include <blockd/error.h>
#include <blockd/nbd_wire.h>

namespace blockd::nbd {

// Errors that the specification does not know count as EINVAL, as it asks.
ErrorCode error_code_of(WireError error);

// "no space left", for people.
const char* words_of(WireError error);

}  // namespace blockd::nbd
