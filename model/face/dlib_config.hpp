// Included before everything else where dlib is (see CMakeLists.txt): dlib's configuration is read
// once, here, and what is undone after it stays undone.
#include <dlib/test_for_odr_violations.h>
#undef DLIB_USE_LAPACK
#undef DLIB_USE_BLAS
