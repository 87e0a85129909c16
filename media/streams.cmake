# Sound, films and pages: list(APPEND TSR_MEDIA_SOURCES ...), list(APPEND TSR_MEDIA_LIBS ...).
pkg_check_modules(FFMPEG REQUIRED IMPORTED_TARGET libavformat libavcodec libavutil libswresample libswscale)
list(APPEND TSR_MEDIA_SOURCES source.c container.c ff_input.c resample.c audio.c audio_stream.c audio_live.c voice.c
     video.c video_plan.c video_scenes.c video_auto.c video_decode.c video_picture.c video_turn.c
     run_program.c pdf.c page_text.c)
list(APPEND TSR_MEDIA_LIBS PkgConfig::FFMPEG)
