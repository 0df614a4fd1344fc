// Every leak under every detector.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "leakdemo/detector.hpp"
#include "leakdemo/judgement.hpp"

namespace plateau::leakdemo {

struct MatrixRow {
  const Leak* leak = nullptr;
  std::vector<Judgement> judgements;  // by detector
};

struct DetectorSummary {
  std::string name;
  std::string title;
  std::string use;
  std::string unavailable;  // why it was not run at all; empty when it was
  // Of all runs of the matrix that came to an end, against plain ones of the same programs.
  std::size_t runs = 0;
  double slowdown = 0;           // of the operations, in CPU time
  double run_seconds = 0;        // CPU time of a run from start to end, all in; mean
  double plain_run_seconds = 0;  // the same of the plain runs
  std::int64_t extra_bytes = 0;  // at the peak of RSS; median
};

struct Matrix {
  std::vector<DetectorSummary> detectors;
  std::vector<MatrixRow> rows;
  double seconds = 0;      // of wall time that it took
  double cpu_seconds = 0;  // of CPU time, of all that ran
};

struct MatrixOptions {
  std::vector<const Leak*> leaks;
  std::vector<std::string> detectors;  // by name; empty: all
  std::size_t jobs = 1;                // programs at a time
  // Called when one more task of all is done, by one thread at a time.
  std::function<void(std::size_t done, std::size_t all)> progress;
};

// Throws std::runtime_error when a detector's name is not known.
Matrix run_matrix(const Programs& programs, const MatrixOptions& options);

// A table of at most 150 columns, with a line for each detector's cost and for each reason.
std::string to_text(const Matrix& matrix);
std::string to_json(const Matrix& matrix);
// A page by itself: no script, nothing to fetch, light and dark.
std::string to_html(const Matrix& matrix);

}  // namespace plateau::leakdemo
