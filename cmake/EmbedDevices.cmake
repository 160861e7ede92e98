# Writes `output`: the text of every device description of `folder`, as initializers of {name, text}, in alphabetic
# order. Configuring runs again when one changes.
function(bigmac_embed_devices folder output)
  file(GLOB descriptions CONFIGURE_DEPENDS ${folder}/*.json)
  list(SORT descriptions)
  set(text "")
  foreach(description ${descriptions})
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${description})
    get_filename_component(name ${description} NAME_WE)
    file(READ ${description} json)
    string(APPEND text "{\"${name}\", R\"json(${json})json\"},\n")
  endforeach()
  file(CONFIGURE OUTPUT ${output} CONTENT "@text@" @ONLY)
endfunction()
