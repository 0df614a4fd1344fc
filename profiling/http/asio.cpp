// Boost.Asio and Boost.Beast, compiled once for all units that are compiled with their switches for that (see
// CMakeLists.txt).
#include <boost/asio/impl/src.hpp>
#include <boost/beast/src.hpp>
