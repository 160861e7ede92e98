# Writes PageSources.cpp: cmake -DPAGE=folder -DSCRIPTS=a.js,b.js -DOUTPUT=file -P Embed.cmake
# As bytes: CMake's lists and escapes leave hexadecimal digits alone.

string(REPLACE "," ";" SCRIPTS "${SCRIPTS}")

function(embed name)
  set(bytes "")
  foreach(file ${ARGN})
    file(READ ${PAGE}/${file} hex HEX)
    string(REGEX REPLACE "(..)" "0x\\1," hex "${hex}")
    string(REGEX REPLACE "(................................................................................)" "\\1\n" hex "${hex}")
    string(APPEND bytes "${hex}\n")
  endforeach()
  file(APPEND ${OUTPUT}.tmp
       "static constexpr unsigned char ${name}Bytes[] = {\n${bytes}};\n"
       "std::string_view bigmac::report::${name}() {\n"
       "  return {reinterpret_cast<const char *>(${name}Bytes), sizeof(${name}Bytes)};\n}\n")
endfunction()

file(WRITE ${OUTPUT}.tmp "// Generated from lib/Report/page.\n#include \"lib/Report/PageSources.h\"\n")
embed(pageTemplate index.html)
embed(pageStyle style.css)
embed(pageScript ${SCRIPTS})
file(RENAME ${OUTPUT}.tmp ${OUTPUT})
