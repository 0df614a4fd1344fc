// Fix `stream`: rows are consumed as they come. Before: a result set, every value of every row as a text, and then the
// rows that are wanted.
#pragma once

#include "labs/order_statistics/question.hpp"

namespace plateau::sqlite {
class Statement;
}

namespace plateau::order_statistics {

// Runs the statement, which is bound. Rows outside of the question's month are left out. Throws as Statement::step, and
// std::runtime_error for a row whose first column is no date.
Answer read_before(sqlite::Statement& statement, const Question& question);
Answer read_after(sqlite::Statement& statement, const Question& question);

}  // namespace plateau::order_statistics
