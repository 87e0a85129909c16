# Pictures: list(APPEND TSR_MEDIA_SOURCES ...), list(APPEND TSR_MEDIA_LIBS ...).
pkg_check_modules(JPEG REQUIRED IMPORTED_TARGET libjpeg)
pkg_check_modules(PNG REQUIRED IMPORTED_TARGET libpng)
pkg_check_modules(WEBP REQUIRED IMPORTED_TARGET libwebp libwebpdemux)

list(APPEND TSR_MEDIA_SOURCES kind.c image.c jpeg.c png.c webp.c bmp.c tga.c gif.c pnm.c exif.c resize.c fit.c)
list(APPEND TSR_MEDIA_LIBS PkgConfig::JPEG PkgConfig::PNG PkgConfig::WEBP m)
