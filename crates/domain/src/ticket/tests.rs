use super::*;

struct Hall {
    tickets: Vec<Ticket>,
    now: Timestamp,
    acts: u8,
}

impl Hall {
    fn open() -> Hall {
        Hall { tickets: Vec::new(), now: Timestamp::from_ms(1_800_000_000_000), acts: 0 }
    }
    /// The ticket that an order a minute later leaves.
    fn act(&mut self, order: Order) -> Result<Ticket, Refusal> {
        self.acts += 1;
        self.now = self.now.plus_ms(60_000);
        self.act_as(order, EntryId([self.acts; 16]))
    }
    fn act_as(&mut self, order: Order, request: EntryId) -> Result<Ticket, Refusal> {
        let changed = act(&self.tickets, self.now.day(), order, request, self.now)?;
        for ticket in &changed {
            self.tickets.retain(|known| known.label != ticket.label);
            self.tickets.push(ticket.clone());
        }
        Ok(changed[0].clone())
    }
    fn take(&mut self, matter: Matter, first: bool) -> String {
        self.act(Order::Take { matter, first }).unwrap().label.to_string()
    }
    fn call(&mut self, window: u8) -> Result<String, Refusal> {
        self.act(Order::Call { window, matter: None }).map(|ticket| ticket.label.to_string())
    }
}

#[test]
fn a_morning_at_two_windows() {
    let mut hall = Hall::open();
    assert_eq!(hall.call(1), Err(Refusal::NobodyWaits));
    assert_eq!(hall.take(Matter::Apply, false), "A001");
    assert_eq!(hall.take(Matter::Collect, false), "B001");
    assert_eq!(hall.take(Matter::Apply, true), "A002");
    assert_eq!(hall.call(1).unwrap(), "A002", "who has precedence comes first");
    assert_eq!(hall.call(2).unwrap(), "A001");
    let missed = hall.act(Order::Miss { label: "A001".parse().unwrap() }).unwrap();
    assert!(matches!(missed.state, State::Missed { window: 2, .. }));
    assert_eq!(hall.take(Matter::Ask, false), "C001");
    hall.act(Order::Back { label: "A001".parse().unwrap() }).unwrap();
    let order: Vec<String> = waiting(&hall.tickets).iter().map(|one| one.label.to_string()).collect();
    assert_eq!(order, ["B001", "C001", "A001"], "who missed their call comes behind those who wait");
    let asked = hall.act(Order::Call { window: 1, matter: Some(Matter::Ask) }).unwrap();
    assert_eq!(asked.label.to_string(), "C001");
    let first = hall.tickets.iter().find(|one| one.label.to_string() == "A002").unwrap();
    assert!(matches!(first.state, State::Served { window: 1, .. }), "the window has done with its last");
    let day = summary(&hall.tickets);
    assert_eq!((day.taken, day.waiting, day.called, day.served, day.missed), (4, 2, 1, 1, 0));
    // A002 waited a minute for its call, C001 two.
    assert_eq!((day.mean_wait_min, day.longest_wait_min), (2, 2));
}

#[test]
fn an_act_that_is_repeated_calls_nobody_else_and_gives_no_second_number() {
    let mut hall = Hall::open();
    let request = EntryId([200; 16]);
    let take = Order::Take { matter: Matter::Apply, first: false };
    let first = hall.act_as(take, request).unwrap();
    assert_eq!(hall.act_as(take, request).unwrap(), first);
    assert_eq!(hall.take(Matter::Apply, false), "A002");
    hall.act(Order::Again { label: "A002".parse().unwrap() }).unwrap_err();
    let request = EntryId([201; 16]);
    let call = Order::Call { window: 3, matter: None };
    assert_eq!(hall.act_as(call, request).unwrap().label.to_string(), "A001");
    assert_eq!(hall.act_as(call, request).unwrap().label.to_string(), "A001");
    assert_eq!(waiting(&hall.tickets).len(), 1);
    // The answer to the first act is still known after others on the same number.
    let again = hall.act_as(take, EntryId([200; 16])).unwrap();
    assert_eq!((again.label, hall.tickets.len()), (first.label, 2));
    hall.act(Order::Done { label: first.label }).unwrap();
    assert_eq!(hall.act_as(call, request).unwrap().label, first.label, "nobody else is called");
}

#[test]
fn what_cannot_be_is_refused_with_what_to_do() {
    let mut hall = Hall::open();
    assert_eq!(hall.call(0), Err(Refusal::BadWindow));
    hall.take(Matter::Apply, false);
    let label: Label = "A001".parse().unwrap();
    assert_eq!(hall.act(Order::Done { label }), Err(Refusal::NotCalled(label)));
    assert_eq!(hall.act(Order::Back { label }), Err(Refusal::NotMissed(label)));
    let other: Label = "A009".parse().unwrap();
    assert_eq!(hall.act(Order::Again { label: other }), Err(Refusal::Unknown(other)));
    for bad in ["", "A", "A1", "a001", "D001", "A000", "A1000", "A01x"] {
        assert_eq!(bad.parse::<Label>(), Err(BadLabel), "{bad}");
    }
    for _ in 1..NUMBERS_MAX {
        let request = EntryId(u128::from(hall.tickets.len() as u64 + 1_000).to_be_bytes());
        hall.act_as(Order::Take { matter: Matter::Apply, first: false }, request).unwrap();
    }
    let full = hall.act(Order::Take { matter: Matter::Apply, first: false });
    assert_eq!(full, Err(Refusal::NoNumbers(Matter::Apply)));
    assert_eq!(hall.take(Matter::Ask, false), "C001");
}

#[test]
fn a_clock_that_was_set_back_lets_nobody_pass() {
    let mut hall = Hall::open();
    hall.take(Matter::Apply, false);
    hall.now = hall.now.plus_ms(-20 * 60_000);
    hall.take(Matter::Apply, false);
    assert_eq!(hall.call(1).unwrap(), "A001");
}
