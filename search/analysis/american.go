package analysis

import (
	"slices"
	"strings"
)

// British and American spellings of a word have one stem: British ones are respelled before English words are stemmed.
// Only what is listed here changes, and -ise, which has rules; no word in American spelling ever does.

// minIse is the shortest base, up to the s, that may be an -ise for -ize: real-is-e, and not rais-e, nois-e, ris-ing.
const minIse = 5

// iseEndings follow that base.
var iseEndings = []string{"e", "ed", "er", "ers", "es", "ing", "ation", "ations", "ational", "able", "ably", "ingly"}

// keepsIse lists the ends of bases that have their s in America too: advise, supervised, enterprise, exercises.
//
//nolint:misspell // ends of words
var keepsIse = strings.Fields(`vis wis rais prais appris enterpris surpris mpris repris sunris upris moonris highris cris exercis precis
	concis excis exorcis incis circumcis abscis promis premis demis surmis merchandis franchis advertis expertis chastis treatis paradis
	disguis cruis bruis marquis louis despis practis pois nois tois uois mortis ais valis denis chemis frambois soubis trellis mantis tennis
	mentis verdigris pastis chrysalis penis proboscis clitoris epidermis clematis orchis missis ottis paris portcullis metropolis necropolis
	acropolis cannabis amaryllis`)

// takesIze lists the longer ends among them that America writes with a z: subjectivise, slavise, amortise.
var takesIze = strings.Fields(`tivis lavis amortis`)

// respelled maps British words to American ones, whole.
var respelled = pairsOf(`programme program programmes programs licence license licences licenses defence defense defences defenses offence
	offense offences offenses pretence pretense practise practice practised practiced practises practices practising practicing centre
	center centres centers centred centered centring centering manoeuvre maneuver manoeuvres maneuvers manoeuvred maneuvered epicentre
	epicenter epicentres epicenters centrepiece centerpiece theatre theater theatres theaters metre meter metres meters kilometre kilometer
	kilometres kilometers centimetre centimeter centimetres centimeters millimetre millimeter millimetres millimeters micrometre micrometer
	micrometres micrometers litre liter litres liters centilitre centiliter centilitres centiliters millilitre milliliter millilitres
	milliliters fibre fiber fibres fibers fibreglass fiberglass calibre caliber sabre saber spectre specter lustre luster lacklustre
	lackluster meagre meager sombre somber catalogue catalog catalogues catalogs catalogued cataloged cataloguing cataloging dialogue dialog
	dialogues dialogs analogue analog analogues analogs judgement judgment judgements judgments acknowledgement acknowledgment
	acknowledgements acknowledgments ageing aging artefact artifact artefacts artifacts enquiry inquiry enquiries inquiries grey gray greys
	grays greyscale grayscale enrol enroll enrols enrolls enrolment enrollment enrolments enrollments fulfil fulfill fulfils fulfills
	fulfilment fulfillment instalment installment instalments installments skilful skillful skilfully skillfully wilful willful jewellery
	jewelry woollen woolen sceptic skeptic sceptics skeptics sceptical skeptical scepticism skepticism cosy cozy plough plow ploughs plows
	ploughing plowing sulphur sulfur sulphate sulfate sulphates sulfates sulphide sulfide sulphides sulfides sulphuric sulfuric aluminium
	aluminum mould mold moulds molds moulding molding mouldings moldings moulded molded pyjamas pajamas moustache mustache smoulder smolder
	whisky whiskey speciality specialty specialities specialties carburettor carburetor caesium cesium kilogramme kilogram kilogrammes
	kilograms milligramme milligram milligrammes milligrams`)

// respelledStarts maps the beginnings of British words to American ones. Nothing else begins so.
var respelledStarts = twosOf(`colour color behaviour behavior favour favor flavour flavor honour honor humour humor labour labor neighbour
	neighbor harbour harbor rumour rumor vapour vapor vigour vigor savour savor odour odor armour armor endeavour endeavor tumour tumor
	misbehaviour misbehavior dishonour dishonor unfavour unfavor disfavour disfavor watercolour watercolor multicolour multicolor belabour
	belabor valour valor ardour ardor splendour splendor candour candor rigour rigor fervour fervor saviour savior demeanour demeanor
	clamour clamor parlour parlor discolour discolor manoeuvr maneuver cypher cipher aeroplane airplane anaesth anesth paediatr pediatr
	orthopaed orthoped haemat hemat haemo hemo haemorr hemorr gynaec gynec encyclopaed encycloped anaemi anemi leukaemi leukemi ischaemi
	ischemi hypoglycaem hypoglycem hyperglycaem hyperglycem oestro estro oesoph esoph oedema edema foetus fetus foetal fetal diarrhoea
	diarrhea palaeo paleo archaeolog archeolog caesarean cesarean homoeopath homeopath aetiolog etiolog`)

// doubledL lists the verbs whose l Britain doubles before an ending, and America does not.
var doubledL = set(`model remodel travel label relabel cancel fuel refuel signal channel tunnel level total counsel marvel dial panel equal
	rival quarrel pedal initial spiral shovel unravel funnel jewel duel bevel chisel grovel libel pencil stencil snorkel enamel swivel towel
	trowel yodel tinsel parcel barrel carol devil cudgel snivel shrivel hovel jostle drivel bowel weasel apparel medal trial unlabel`)

// endingsOfL follow the doubled l.
var endingsOfL = strings.Fields("ed ing ings er ers or ors ist ists ous ously")

// american returns a folded English word in American spelling.
func american(w string) string {
	if s, ok := respelled[w]; ok {
		return s
	}
	if s, ok := singleL(w); ok {
		return s
	}
	if s, ok := analyze(w); ok {
		return s
	}
	for _, p := range respelledStarts {
		if rest, ok := strings.CutPrefix(w, p[0]); ok {
			w = p[1] + rest
			break
		}
	}
	return ize(w)
}

// singleL undoes the doubled l of modelling.
func singleL(w string) (string, bool) {
	i := strings.LastIndex(w, "ll") // modelling, whose base is model
	if i < 0 || !doubledL[w[:i+1]] {
		return w, false
	}
	return w[:i+1] + w[i+2:], slices.Contains(endingsOfL, w[i+2:])
}

// analyze gives analyse, catalyse, hydrolyse and their kin a z; analyses is the plural of analysis.
func analyze(w string) (string, bool) {
	for _, e := range []string{"e", "ed", "er", "ers", "ing"} {
		if base, ok := strings.CutSuffix(w, "s"+e); ok && len(base) > 3 && (strings.HasSuffix(base, "aly") || strings.HasSuffix(base, "oly")) {
			return base + "z" + e, true
		}
	}
	return w, false
}

// ize gives optimise, optimising, optimisation a z.
func ize(w string) string {
	for _, e := range iseEndings {
		base, ok := strings.CutSuffix(w, e)
		if !ok || len(base) < minIse || !strings.HasSuffix(base, "is") {
			continue
		}
		if endsIn(base, takesIze) || !endsIn(base, keepsIse) {
			return base[:len(base)-1] + "z" + e
		}
	}
	return w
}

func endsIn(w string, ends []string) bool {
	for _, e := range ends {
		if strings.HasSuffix(w, e) {
			return true
		}
	}
	return false
}

// twosOf returns the words of a list two by two.
func twosOf(words string) [][2]string {
	f := strings.Fields(words)
	var list [][2]string
	for i := 0; i+1 < len(f); i += 2 {
		list = append(list, [2]string{f[i], f[i+1]})
	}
	return list
}

func pairsOf(words string) map[string]string {
	m := map[string]string{}
	for _, p := range twosOf(words) {
		m[p[0]] = p[1]
	}
	return m
}
