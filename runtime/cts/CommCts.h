//===- CommCts.h - What every communication driver must do ----------------===//
//
// Run in a world of any size; every rank runs the same tests in the same order. A driver's test
// program makes the world and the device that its pointers belong to, then calls runCommCts().
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_CTS_COMMCTS_H
#define BIGMAC_CTS_COMMCTS_H

#include "bigmac-rt/Comm.h"

namespace bigmac::rt::cts {

struct CommDriver {
  Comm &comm;
  Device &device;
  /// Sums are those in group order, bit by bit; else a rounding error off.
  bool groupOrder = true;
  /// A wait that has timed out can be tried again; else the world has ended.
  bool survivesTimeout = true;
  /// connect() finds that ranks have not prepared the same regions.
  bool comparesRegions = false;
};

/// Runs the suite; returns main()'s status.
int runCommCts(int argc, char **argv, const CommDriver &driver);

} // namespace bigmac::rt::cts

#endif // BIGMAC_CTS_COMMCTS_H
