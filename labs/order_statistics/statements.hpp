// The text of every statement, composed of the halves of the fixes. No value of a client's is ever part of a text.
#pragma once

#include <string>
#include <vector>

#include "labs/order_statistics/fixes.hpp"
#include "labs/order_statistics/question.hpp"

namespace plateau::order_statistics {

// Of the tables, without indexes.
std::vector<std::string> schema();
// What the indexes of these fixes are made by, and the names of those that there must not be.
std::vector<std::string> wanted_indexes(const Fixes& fixes);
std::vector<std::string> unwanted_indexes(const Fixes& fixes);
std::string journal(const Fixes& fixes);

// The statistics of days; with `range`, places 1 and 2 are for the first date and the one after the last.
std::string select_days(const Fixes& fixes, bool active_only);
// Wrong fix `limit-offset`: orders of a page; place 3 is for how many there were before it.
std::string select_page(bool active_only);
// Wrong fix `cache-everything`: the orders of a month, whole.
std::string select_orders(bool active_only);

// EXPLAIN QUERY PLAN of select_days in an empty store with these tables and indexes. SQLite's planner, which nobody has
// told how much is in them (ANALYZE), chooses the same plan for a full one.
std::string plan_of(const Fixes& fixes, bool active_only);

}  // namespace plateau::order_statistics
