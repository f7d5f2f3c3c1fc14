# facepair_options: what every target of ours is compiled with. (Third-party headers come in as SYSTEM and stay quiet.)
add_library(facepair_options INTERFACE)
target_include_directories(facepair_options INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_definitions(facepair_options INTERFACE _GNU_SOURCE FACEPAIR_VERSION="${PROJECT_VERSION}")
# A programmer's error asserts in release too: our own C keeps its asserts where CMake's build type says NDEBUG.
target_compile_options(facepair_options INTERFACE
  $<$<COMPILE_LANGUAGE:C>:-UNDEBUG>
  -Wall -Wextra -Werror -fno-omit-frame-pointer
  $<$<COMPILE_LANGUAGE:C>:-Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla>)
if(FACEPAIR_SANITIZE)
  target_compile_options(facepair_options INTERFACE -fsanitize=${FACEPAIR_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(facepair_options INTERFACE -fsanitize=${FACEPAIR_SANITIZE})
else()
  target_compile_options(facepair_options INTERFACE
    $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2> -fstack-protector-strong)
  target_link_options(facepair_options INTERFACE -Wl,-z,relro,-z,now)
endif()

if(FACEPAIR_COVERAGE)
  target_compile_options(facepair_options INTERFACE -fprofile-instr-generate -fcoverage-mapping)
  target_link_options(facepair_options INTERFACE -fprofile-instr-generate)
endif()

if(FACEPAIR_FUZZ)
  target_compile_options(facepair_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

# facepair_library(NAME source…): one room of the tree as a static library.
function(facepair_library name)
  add_library(${name} STATIC ${ARGN})
  target_link_libraries(${name} PUBLIC facepair_options)
endfunction()
