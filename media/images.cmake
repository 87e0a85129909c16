# Pictures: list(APPEND TSR_MEDIA_SOURCES ...), list(APPEND TSR_MEDIA_LIBS ...).
list(APPEND TSR_MEDIA_SOURCES kind.c fit.c resize.c)
list(APPEND TSR_MEDIA_LIBS m)
