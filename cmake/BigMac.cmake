# Compile options and helpers shared by every BigMac target.

add_compile_options(-Wall -Wextra -Werror -Wno-unused-parameter)
add_link_options(-fuse-ld=lld)

# A GoogleTest executable in build/bin, listed in BIGMAC_UNIT_TESTS so that `check` builds it.
function(bigmac_add_unit_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LIBS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LIBS} GTest::gtest GTest::gtest_main)
  set_property(GLOBAL APPEND PROPERTY BIGMAC_UNIT_TESTS ${name})
endfunction()
