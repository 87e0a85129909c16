# Sound, films and pages: list(APPEND TSR_MEDIA_SOURCES ...), list(APPEND TSR_MEDIA_LIBS ...).
pkg_check_modules(FFMPEG REQUIRED IMPORTED_TARGET libavformat libavcodec libavutil libswresample libswscale)
list(APPEND TSR_MEDIA_SOURCES source.c container.c ff_input.c resample.c audio.c)
list(APPEND TSR_MEDIA_LIBS PkgConfig::FFMPEG)
