# Installs this build to a fresh prefix, then configures, builds and runs the examples against it.
set(prefix ${CMAKE_CURRENT_BINARY_DIR}/consumer/prefix)
set(flags "")
if(THALWEG_SANITIZE)
  set(flags -fsanitize=${THALWEG_SANITIZE})
endif()

add_test(NAME consumer.install
         COMMAND sh -c "rm -rf \"$1\" && \"$2\" --install \"$3\" --prefix \"$1\"" install ${prefix}
                 ${CMAKE_COMMAND} ${PROJECT_BINARY_DIR})
add_test(NAME consumer.build_and_run
         COMMAND ${CMAKE_CTEST_COMMAND}
                 --build-and-test ${PROJECT_SOURCE_DIR}/examples
                 ${CMAKE_CURRENT_BINARY_DIR}/consumer/build
                 --build-generator ${CMAKE_GENERATOR}
                 --build-options -DCMAKE_PREFIX_PATH=${prefix} -DCMAKE_BUILD_TYPE=Release
                 -DCMAKE_CXX_COMPILER=${CMAKE_CXX_COMPILER} -DCMAKE_CXX_FLAGS=${flags}
                 --test-command train_and_sample)
add_test(NAME consumer.no_internals
         COMMAND sh -c "test -f \"$1/thalweg.h\" && test -z \"$(find \"$1\" -name '*-inl.h')\""
                 no_internals ${prefix}/include/thalweg)
set_tests_properties(consumer.no_internals PROPERTIES LABELS quick FIXTURES_REQUIRED installed)
set_tests_properties(consumer.install PROPERTIES LABELS quick FIXTURES_SETUP installed)
set_tests_properties(consumer.build_and_run PROPERTIES LABELS quick FIXTURES_REQUIRED installed)
