#include "profiling/waterfall/waterfall_json.hpp"

#include "allocators/heap_fields.hpp"

namespace plateau {
namespace json = boost::json;

json::object to_json(const WaterfallPart& part) {
  return {{"id", part.id},
          {"name", part.name},
          {"meaning", part.meaning},
          {"closed_by", part.closed_by},
          {"not_closed_by", part.not_closed_by}};
}

json::object to_json(std::span<const MeasuredPart> parts) {
  json::object result;
  for (const auto& [part, bytes] : parts) result[part->id] = bytes;
  return result;
}

json::object to_json(const HeapStatistics& heap) {
  json::object result;
  for (const HeapField& field : heap_fields) {
    const auto& value = heap.*field.value;
    result[field.name] = value ? json::value(*value) : json::value(nullptr);
  }
  return result;
}

}  // namespace plateau
