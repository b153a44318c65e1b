package crossing

// A Kind is the kind of Go value that reaches C.
type Kind string

const (
	Map       Kind = "map"
	Chan      Kind = "chan"
	Func      Kind = "func"
	Interface Kind = "interface"
	Slice     Kind = "slice"
	String    Kind = "string"
	Pointer   Kind = "pointer"
)

// rank orders kinds by how much they say, for memory that holds several.
var rank = map[Kind]int{Map: 7, Chan: 6, Func: 5, Interface: 4, Slice: 3, String: 2, Pointer: 1}
