# What plateau::profiling is linked with, found before its target is made.
find_dependency(PkgConfig)
pkg_check_modules(LIBDW REQUIRED IMPORTED_TARGET libdw libelf)
pkg_check_modules(LIBZSTD REQUIRED IMPORTED_TARGET libzstd)
find_dependency(ZLIB)
find_dependency(Boost COMPONENTS json url)
find_dependency(fmt)
find_dependency(prometheus-cpp CONFIG)
