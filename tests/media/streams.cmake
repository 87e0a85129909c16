# tests of the streams half
foreach(t source audio audio_stream voice resample video video_plan video_scenes pdf page_text streams_bad)
  tsr_test(test_${t} SOURCES test_${t}.c LINKS tsr_media tsr_test_common TIMEOUT 600)
endforeach()
