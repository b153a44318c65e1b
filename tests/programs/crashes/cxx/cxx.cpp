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

void cxx_throw_number(void) { throw 42; }

static void left(void) noexcept { shapes::check("left"); }

void cxx_leave_noexcept(void) { left(); }

namespace shapes {
struct Drawn {
	Drawn() { show(); }
	void show() { draw(); }
	virtual void draw() = 0;
};
struct Circle : Drawn {
	void draw() override {}
};
} // namespace shapes

void cxx_call_pure(void) { shapes::Circle circle; }
