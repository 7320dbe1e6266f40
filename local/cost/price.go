package cost

// A Price is one of the table, for those who multiply it themselves. What is free of
// the first pieces is left out: one conversation is not the first.
type Price struct {
	Name       string  `json:"name"`
	What       string  `json:"what"`
	Per        float64 `json:"per"`   // so many pieces
	Price      float64 `json:"price"` // cost so many dollars
	Unverified bool    `json:"unverified,omitempty"`
}

// Prices returns those with the names, in their order.
func Prices(names ...string) []Price {
	t, err := parsePrices(embedded)
	if err != nil {
		panic(err) // it is a part of the program, and tested
	}
	all := make([]Price, len(names))
	for i, name := range names {
		p, ok := t.byName[name]
		if !ok {
			panic("there is no price " + name) // of a program that is wrong
		}
		all[i] = Price{p.Name, p.What, p.Per, p.Price, p.Unverified}
	}
	return all
}
