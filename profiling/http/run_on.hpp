// Blocking work of a coroutine, on the thread of another executor.
#pragma once

#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "profiling/host/service_thread.hpp"
#include "profiling/host/service_work.hpp"

namespace plateau {

// The result of `function`, run on `executor`; what it throws is thrown here.
template <class Executor, class Function>
auto run_on(Executor executor, Function function) -> boost::asio::awaitable<decltype(function())> {
  auto there = [function = std::move(function)]() mutable -> boost::asio::awaitable<decltype(function())> {
    become_service_thread("plateau-answer");
    const ServiceWork work;
    co_return function();
  };
  co_return co_await boost::asio::co_spawn(std::move(executor), std::move(there), boost::asio::use_awaitable);
}

}  // namespace plateau
