# tests of the pictures half
tsr_test(test_image SOURCES test_image.c fuzz_image.c LINKS tsr_media tsr_test_common TIMEOUT 600)
tsr_test(test_image_resize SOURCES test_image_resize.c LINKS tsr_media tsr_test_common)
tsr_test(test_image_fit SOURCES test_image_fit.c LINKS tsr_media tsr_test_common)
tsr_test(test_kind SOURCES test_kind.c LINKS tsr_media tsr_test_common)

# The headers compile alone, as C and as C++.
find_program(TSR_CXX NAMES c++ g++ clang++)
foreach(header tsr_image.h tsr_kind.h)
  add_test(NAME media_header_c_${header}
    COMMAND ${CMAKE_C_COMPILER} -std=c11 -Wall -Wextra -Werror -fsyntax-only -x c
            -I${CMAKE_SOURCE_DIR}/base ${CMAKE_SOURCE_DIR}/media/${header})
  if(TSR_CXX)
    add_test(NAME media_header_cxx_${header}
      COMMAND ${TSR_CXX} -Wall -Wextra -Werror -fsyntax-only -x c++
              -I${CMAKE_SOURCE_DIR}/base ${CMAKE_SOURCE_DIR}/media/${header})
  endif()
endforeach()
