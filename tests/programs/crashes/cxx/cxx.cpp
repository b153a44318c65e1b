#include "cxx.h"
#include <stdexcept>
#include <string>

namespace shapes {
struct Square {
	int *side;
	int area(int scale) const { return *side * scale; }
};
template <typename T> int total(const T &shape) { return shape.area(2); }
void check(const std::string &name) { throw std::runtime_error("no shape called " + name); }
} // namespace shapes

void cxx_throw(void) { shapes::check("circle"); }

int cxx_method(void) { return shapes::total(shapes::Square{nullptr}); }
