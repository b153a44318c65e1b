package crossing

// An offset is a place in memory in bytes: base, or, with a stride, base + k*stride for every k.
type offset struct{ base, stride int64 }

var anywhere = offset{0, 1}

func at(base int64) offset { return offset{base, 0} }

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func (o offset) normal() offset {
	if o.stride > 0 {
		o.base = mod(o.base, o.stride)
	}
	return o
}

func mod(a, b int64) int64 { return (a%b + b) % b }

func (o offset) plus(p offset) offset {
	return offset{o.base + p.base, gcd(o.stride, p.stride)}.normal()
}

// minus returns where o lies as seen from p.
func (o offset) minus(p offset) offset {
	return offset{o.base - p.base, gcd(o.stride, p.stride)}.normal()
}

// within reports whether o may be in [low, high).
func (o offset) within(low, high int64) bool {
	if o.stride == 0 {
		return low <= o.base && o.base < high
	}
	return mod(o.base-low, o.stride) < high-low
}

// meets reports whether o and p may be the same place.
func (o offset) meets(p offset) bool {
	return o.minus(p).within(0, 1)
}
