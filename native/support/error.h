// The one exception that native code throws on purpose. Codes are those of lib/errors.ts, which
// holds their texts.
#pragma once

#include <map>
#include <stdexcept>
#include <string>
#include <utility>

namespace medcoss {

struct Error : std::runtime_error {
  using Values = std::map<std::string, std::string>;

  Error(std::string error_code, Values error_values)
      : std::runtime_error(error_code),
        code(std::move(error_code)),
        values(std::move(error_values)) {}

  std::string code;
  /// What the registry's message refers to by name.
  Values values;
};

/// "Expected X for Y, received Z."
[[noreturn]] inline void refuse(const std::string& argument, const std::string& expected,
                                const std::string& received) {
  throw Error("E_ARGUMENT",
              {{"argument", argument}, {"expected", expected}, {"received", received}});
}

}  // namespace medcoss
