// JSON text as values of a template.
#pragma once

#include "runtime/TemplateValue.h"

namespace gemmac::rt::jinja {

/// Fails with exit 1 and `where` in front of the message if `text` is not JSON or nested too deeply.
Value readJson(Machine &machine, std::string_view text, const std::string &where);

} // namespace gemmac::rt::jinja
