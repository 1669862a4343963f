# Writes the header with the code version, touching it only when the version changed. Without git, or
# when the sources stand inside somebody else's repository, the version is the project's alone.
cmake_minimum_required(VERSION 3.20)
set(code "${VERSION}")
find_program(GIT git)
if(GIT)
  set(git ${GIT} --no-optional-locks -C ${SOURCE})
  execute_process(COMMAND ${git} rev-parse --show-toplevel OUTPUT_VARIABLE top
                  OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
  file(REAL_PATH "${SOURCE}" here)
  if(NOT failed AND top STREQUAL here)
    execute_process(COMMAND ${git} describe --always --dirty --abbrev=12 --exclude=* OUTPUT_VARIABLE hash
                    OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
    if(NOT failed)
      set(code "${VERSION}+${hash}")
    endif()
  endif()
endif()
file(CONFIGURE OUTPUT "${OUTPUT}" @ONLY CONTENT
  "#define TIPOFF_VERSION \"@VERSION@\"\n#define TIPOFF_CODE_VERSION \"@code@\"\n")
