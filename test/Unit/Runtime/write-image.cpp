// Writes the fixture's plan for two ranks as C source, as the compiler embeds it: write-image FILE.

#include "FixtureModel.h"

#include <cstdio>

using namespace bigmac;

int main(int argc, char **argv) {
  std::string error;
  auto image = fixture::buildPlan({2, 1, 2, false}, "fixture.safetensors", 1, 1, error);
  std::FILE *file = argc == 2 && !image.empty() ? std::fopen(argv[1], "w") : nullptr;
  if (!file) {
    std::fprintf(stderr, "write-image: %s\n", error.c_str());
    return 1;
  }
  std::fprintf(file, "#include \"bigmac-rt/plan.h\"\n"
                     "extern \"C\" {\n"
                     "alignas(64) const unsigned char bm_plan_image[] = {");
  for (size_t i = 0; i < image.size(); ++i)
    std::fprintf(file, "%s%u", i ? "," : "", image[i]);
  std::fprintf(file, "};\nconst uint64_t bm_plan_image_size = %zu;\n}\n", image.size());
  return std::fclose(file) == 0 ? 0 : 1;
}
