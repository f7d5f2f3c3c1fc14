# `make install`: the program, the libtorch libraries that it is linked to in a folder of its own (the program finds them there by
# its RUNPATH, and no other program meets them), the models of the tree, and the licences. Two components: "facepair" is all that a
# machine without a GPU needs, "cuda" what `make setup-cuda` brought for --device cuda:N.
set(CMAKE_INSTALL_DEFAULT_COMPONENT_NAME facepair)
set(facepair_private lib/facepair)
set_target_properties(facepair PROPERTIES INSTALL_RPATH "$ORIGIN/../${facepair_private}")
install(TARGETS facepair RUNTIME DESTINATION bin)

if(NOT Torch_DIR)
  install(PROGRAMS
    ${FACEPAIR_LIBTORCH}/lib/libtorch_cpu.so ${FACEPAIR_LIBTORCH}/lib/libc10.so ${FACEPAIR_LIBTORCH}/lib/libgomp.so.1
    ${FACEPAIR_LIBTORCH}/lib/libcudart.so.13 ${FACEPAIR_LIBTORCH}/lib/libcupti.so.13
    DESTINATION ${facepair_private})
  if(EXISTS ${FACEPAIR_LIBTORCH}/stamp-cuda)
    file(GLOB facepair_cuda_libraries ${FACEPAIR_LIBTORCH}/lib/*.so ${FACEPAIR_LIBTORCH}/lib/*.so.*)
    list(FILTER facepair_cuda_libraries EXCLUDE REGEX "/lib(torch_cpu|c10|gomp|cudart|cupti)[.]so")
    install(PROGRAMS ${facepair_cuda_libraries} DESTINATION ${facepair_private} COMPONENT cuda)
  endif()
  install(DIRECTORY ${FACEPAIR_LIBTORCH}/licenses/ DESTINATION share/doc/facepair/libtorch)
endif()

# Models and landmarks, by name: runs from the tree leave other things there, a secret key among them.
foreach(part face models)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/data/${part} DESTINATION share/facepair OPTIONAL)
endforeach()
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/README.md DESTINATION share/doc/facepair)
