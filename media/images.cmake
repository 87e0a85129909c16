# Pictures: list(APPEND TSR_MEDIA_SOURCES ...), list(APPEND TSR_MEDIA_LIBS ...).
