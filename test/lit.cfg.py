# The lit suite. BIGMAC_ROUND_TRIP=1 in the environment makes every bigmac-opt of every test also
# print its result, parse that, and compare.
import os
import shutil
import sys

import lit.formats

config.name = "BigMac"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Inputs", "models", "Unit", "benchmarks", "lit.cfg.py"]
config.test_source_root = os.path.dirname(__file__)

tools = [os.path.join(config.bigmac_build, "bin"), config.llvm_tools]
config.environment["PATH"] = os.pathsep.join(tools + [config.environment["PATH"]])
# Open MPI refuses to run as root, as in a container, unless told otherwise.
config.environment["OMPI_ALLOW_RUN_AS_ROOT"] = "1"
config.environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
# Tests share compiled code with one another, not with the user.
config.environment["XDG_CACHE_HOME"] = os.path.join(config.test_exec_root, "cache")

# A CUDA toolkit to compile with; no test here needs a GPU.
config.available_features.add("cuda" if config.bigmac_cuda else "no-cuda")

config.substitutions.append(("%mpirun", "mpirun --oversubscribe"))
config.substitutions.append(("%python", sys.executable))
config.substitutions.append(("%examples", os.path.join(config.bigmac_source, "examples")))
config.substitutions.append(("%source", config.bigmac_source))
config.substitutions.append(("%models", os.path.join(config.test_source_root, "Integration/models")))
if os.environ.get("BIGMAC_ROUND_TRIP") == "1":
    config.substitutions.append((r"\bbigmac-opt\b(?!\.)", "bigmac-opt --verify-roundtrip"))
