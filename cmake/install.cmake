# Installs the tool, the library, its headers and a CMake package to any prefix.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)
set(THALWEG_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/thalweg)

target_compile_features(thalweg_library PUBLIC cxx_std_20)
install(TARGETS thalweg_library EXPORT thalwegTargets DESTINATION ${CMAKE_INSTALL_LIBDIR})
# What programs include, thalweg/thalweg.h first of all; not what one folder keeps to itself.
install(DIRECTORY ${PROJECT_SOURCE_DIR}/src/thalweg DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN "*.h"
        PATTERN "*-inl.h" EXCLUDE
        PATTERN "compiled_program.h" EXCLUDE
        PATTERN "passes.h" EXCLUDE
        PATTERN "emitter.h" EXCLUDE
        PATTERN "run_instructions.h" EXCLUDE
        PATTERN "derivative_rules.h" EXCLUDE
        PATTERN "operation_checks.h" EXCLUDE
        PATTERN "plot_*.h" EXCLUDE
        PATTERN "canvas.h" EXCLUDE
        PATTERN "uci_recipes.h" EXCLUDE
        PATTERN "uci_source.h" EXCLUDE
        PATTERN "uci_steps.h" EXCLUDE
        PATTERN "toml_text.h" EXCLUDE
        PATTERN "option_table.h" EXCLUDE
        PATTERN "option_text.h" EXCLUDE
        PATTERN "evaluation_parts.h" EXCLUDE
        PATTERN "chain_sampler.h" EXCLUDE
        PATTERN "unbounded_energy.h" EXCLUDE
        PATTERN "mixture.h" EXCLUDE
        PATTERN "reference_density.h" EXCLUDE
        PATTERN "tempering.h" EXCLUDE
        PATTERN "scout.h" EXCLUDE
        PATTERN "estimates.h" EXCLUDE
        PATTERN "evidence.h" EXCLUDE
        PATTERN "modes.h" EXCLUDE
        PATTERN "custom_born.h" EXCLUDE
        PATTERN "amber_sections.h" EXCLUDE
        PATTERN "simulation_files.h" EXCLUDE
        PATTERN "simulation_summary.h" EXCLUDE)
if(TARGET thalweg)
  install(TARGETS thalweg DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

install(EXPORT thalwegTargets NAMESPACE thalweg:: DESTINATION ${THALWEG_PACKAGE_DIR})
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/thalwegConfig.cmake.in
                              ${PROJECT_BINARY_DIR}/thalwegConfig.cmake
                              INSTALL_DESTINATION ${THALWEG_PACKAGE_DIR})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/thalwegConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/thalwegConfig.cmake ${PROJECT_BINARY_DIR}/thalwegConfigVersion.cmake
        DESTINATION ${THALWEG_PACKAGE_DIR})
