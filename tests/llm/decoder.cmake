# tests of the decoder, its configuration and its cache
add_library(tsr_tiny_model STATIC tiny_model.c tiny_run.c)
target_include_directories(tsr_tiny_model PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
target_link_libraries(tsr_tiny_model PUBLIC tsr_llm tsr_test_common PkgConfig::CMOCKA m)
foreach(name decoder decoder_kv decoder_finite decoder_open text_config gguf_text kv_cache rope)
  tsr_test(test_${name} SOURCES test_${name}.c LINKS tsr_tiny_model TIMEOUT 900)
endforeach()
