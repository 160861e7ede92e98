# cmake -DINPUT=FILE -DOUTPUT=FILE.c -DSYMBOL=name -P EmbedFile.cmake: a file's bytes as a C array.
file(READ ${INPUT} bytes HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
file(WRITE ${OUTPUT} "_Alignas(64) const unsigned char ${SYMBOL}[] = {${bytes}};\n")
