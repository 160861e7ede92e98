//===- VJPInterface.cpp ----------------------------------------------------===//

#include "bigmac/Interfaces/VJPInterface.h"

#include "bigmac/Interfaces/VJPInterface.cpp.inc"
