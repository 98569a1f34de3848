use super::*;

/// Marks of frames of these lengths; those before them taught that 10 is usual.
fn frames(lengths: &[u64]) -> (Frames, Vec<u64>) {
    let mut frames = Frames::new(3.0);
    let mut mark = 1_000;
    frames.mark(mark);
    for _ in 0..FRAMES_MAX {
        mark += 10;
        frames.mark(mark);
    }
    let mut marks = vec![mark];
    for length in lengths {
        mark += length;
        frames.mark(mark);
        marks.push(mark);
    }
    (frames, marks)
}

/// What becomes of a tree within each frame, the one that has not ended last: `k`ept, `l`eft out or `w`aiting.
fn verdicts(frames: &Frames, marks: &[u64]) -> String {
    let letter = |mark: &u64| match frames.verdict(mark + 2, Some(mark + 4), u64::MAX) {
        Verdict::Keep => 'k',
        Verdict::Leave => 'l',
        Verdict::Wait => 'w',
    };
    marks.iter().map(letter).collect()
}

#[test]
fn a_slow_frame_is_kept_with_its_neighbours() {
    let check = |lengths: &[u64], expected: &str| {
        let (frames, marks) = frames(lengths);
        assert_eq!(verdicts(&frames, &marks), expected, "{lengths:?}");
    };
    check(&[10, 10, 10, 10], "lllww");
    // Three medians are slow, and less is not.
    check(&[10, 10, 29, 10, 10], "llllww");
    check(&[10, 10, 30, 10, 10, 10], "lkkklww");
    check(&[10, 10, 30], "lkkk");
    check(&[10, 10, 30, 10], "lkkkw");
    check(&[10, 10, 40, 10, 50, 10, 10, 10], "lkkkkklww");
    check(&[30, 10, 10, 10], "kklww");
}

#[test]
fn a_frame_that_goes_on_is_kept_before_it_ends() {
    let (mut frames, marks) = frames(&[10, 10, 10]);
    frames.watch(marks[3] + 29);
    assert_eq!(verdicts(&frames, &marks), "llww");
    frames.watch(marks[3] + 30);
    assert_eq!(verdicts(&frames, &marks), "llkk");
    let end = marks[3] + 1_000;
    frames.mark(end);
    assert_eq!(verdicts(&frames, &[marks, vec![end]].concat()), "llkkk");
}

#[test]
fn all_is_kept_before_the_first_frames_and_without_any() {
    let mut frames = Frames::new(3.0);
    assert_eq!(frames.verdict(5, Some(6), 6), Verdict::Keep);
    let mut marks = Vec::new();
    for index in 0..FRAMES_MIN as u64 + 4 {
        marks.push(100 + index * 10);
        frames.mark(100 + index * 10);
    }
    assert_eq!(frames.verdict(5, Some(6), 6), Verdict::Keep);
    // The frames that taught it, and the one after.
    assert_eq!(verdicts(&frames, &marks), "k".repeat(FRAMES_MIN + 1) + "lww");
}

#[test]
fn what_is_usual_follows_the_frames() {
    let (mut frames, marks) = frames(&[]);
    let mut mark = marks[0];
    let slow = |frames: &mut Frames, mark: &mut u64| {
        *mark += 40;
        frames.mark(*mark);
        frames.keeps_open
    };
    let lasted = (0..1_000).take_while(|_| slow(&mut frames, &mut mark)).count();
    assert_eq!(lasted, FRAMES_MAX / 2 + 1, "slow until they are half of what is remembered");
    assert_eq!(frames.recent.len(), FRAMES_MAX);
    assert!(frames.sorted.is_sorted());
}

#[test]
fn marks_of_another_thread_that_come_late_change_nothing() {
    let (mut frames, marks) = frames(&[10, 30, 10]);
    let before = format!("{frames:?}");
    frames.mark(marks[1]);
    frames.mark(marks[3]);
    assert_eq!(format!("{frames:?}"), before);
}

#[test]
fn a_tree_across_frames_is_kept_for_any_of_them() {
    // Kept from the first mark to the fourth.
    let (frames, marks) = frames(&[10, 30, 10, 10, 10, 10]);
    let verdict = |begin: u64, end: Option<u64>| frames.verdict(begin, end, marks[6]);
    assert_eq!(verdict(marks[3] + 1, Some(marks[4] + 1)), Verdict::Leave);
    assert_eq!(verdict(marks[2] + 1, Some(marks[4] + 1)), Verdict::Keep);
    assert_eq!(verdict(marks[2] + 1, None), Verdict::Keep);
    assert_eq!(verdict(marks[3] + 1, None), Verdict::Wait);
}

#[test]
fn what_was_forgotten_is_kept() {
    let lengths: Vec<u64> = [30, 10, 10, 10].repeat(KEPT_MAX + 10);
    let (frames, marks) = frames(&lengths);
    assert_eq!(frames.kept.len(), KEPT_MAX);
    let verdicts = verdicts(&frames, &marks);
    assert!(verdicts.starts_with(&"k".repeat(36)) && verdicts.contains("kkklkkkl"), "{verdicts}");
}

/// A thread's events by letters: `(` begins a span, `)` ends it, `x` loses one, `e` loses the end of one, `f` marks a frame; each takes 10 ticks, `-`
/// does nothing for so long, `s` for 100, and `!` is a drain 1 s later.
fn run(events: &str, words_max: usize) -> String {
    let (frames, marks) = frames(&[]);
    let mut sampling = Sampling { frames, words: 0, words_max, now_ns: 0, left_out: 0 };
    let mut staged = Staged::default();
    let mut told = String::new();
    let mut ticks = marks[0];
    let mut begun = 0;
    let mut take = |decided: Decided<'_>| match decided {
        Decided::Kept(_, Event::Begin { site, fields }) => {
            assert!(fields.words().first().is_none_or(|word| *word == u64::from(site)));
            told.push('(');
        }
        Decided::Kept(_, Event::End) => told.push(')'),
        Decided::Kept(_, Event::Lost { what: Lost::Spans, count }) => told += &format!("x{count}"),
        Decided::Kept(_, Event::Lost { what: Lost::Ends, count }) => told += &format!("e{count}"),
        Decided::Kept(_, other) => panic!("{other:?}"),
        Decided::LeftOut(count) => told += &format!("~{count}"),
    };
    for letter in events.chars() {
        ticks += if letter == 's' { 100 } else { 2 };
        let event = match letter {
            '(' => {
                begun += 1;
                let word = [begun];
                // Every other one has a field.
                let fields = if begun % 2 == 0 { Raw::take(1, 0, &word).unwrap().0 } else { Raw::default() };
                staged.add(ticks, Event::Begin { site: begun as u32, fields }, &mut sampling, &mut take);
                continue;
            }
            ')' => Event::End,
            'x' => Event::Lost { what: Lost::Spans, count: 1 },
            'e' => Event::Lost { what: Lost::Ends, count: 1 },
            'f' => {
                sampling.frames.mark(ticks);
                continue;
            }
            '!' => {
                sampling.now_ns += 1_000_000_000;
                sampling.frames.watch(ticks);
                staged.settle(&mut sampling, false, &mut take);
                continue;
            }
            _ => continue,
        };
        staged.add(ticks, event, &mut sampling, &mut take);
    }
    sampling.now_ns += 1_000_000_000;
    staged.settle(&mut sampling, false, &mut take);
    let waiting = staged.trees.iter().map(|tree| tree.spans).sum::<u64>();
    assert_eq!(sampling.words, staged.trees.iter().map(|tree| tree.words).sum::<usize>());
    if waiting > 0 { format!("{told}|{waiting}") } else { told }
}

#[test]
fn trees_are_kept_or_left_out_whole_and_in_order() {
    let check = |events: &str, expected: &str| assert_eq!(run(events, usize::MAX), expected, "{events}");
    // A frame is decided when the next one has ended.
    check("(())f()f(()())f", "~2~1|3");
    check("(())f()f(()())f---f", "~2~1~3");
    check("(())f()sf()f()f()f()f", "(())()()~1~1|1");
    // The second tree runs while a slow frame does.
    check("()f(()fsff())()f--f-f", "~1(()())~1");
    // What is lost in a tree is lost, kept or not, and so is what is lost between trees.
    check("(x)()xf--f--f", "~1x1~1x1");
    check("x(x)()xfsf", "x1(x1)()x1");
    check("((ef--f--f", "|2");
    check("((ee()f--f--f", "~2~1");
    check("(()e()fsf", "(()e1()");
    // Ends of spans that began before recording did.
    check(")e()f--f--f", "~1");
}

#[test]
fn an_open_tree_is_passed_on_from_when_it_is_known_to_be_kept() {
    let check = |events: &str, expected: &str| assert_eq!(run(events, usize::MAX), expected, "{events}");
    check("(()", "|2");
    check("(()s!()(", "(()()(");
    check("(()s!()))(", "(()())(");
    check("(()sf()!)()f--f--f--f", "(()())()");
}

#[test]
fn what_waits_too_long_is_kept() {
    // Marks go on so that no frame is slow; the tree goes on, too.
    let frames = "f--f--f!".repeat(3);
    assert_eq!(run(&format!("((){frames}"), usize::MAX), "|2");
    assert_eq!(run(&format!("((){frames}!!()"), usize::MAX), "(()()");
}

#[test]
fn what_finds_no_room_to_wait_is_kept() {
    // Ten words have room: a tree of one span takes 3 or, with a field, 5.
    assert_eq!(run("()()", 10), "|2");
    assert_eq!(run("()()()", 10), "()|2");
    assert_eq!(run("((((((", 10), "((((((");
    assert_eq!(run("((((((", 10).len(), run("(((((())))))", 10).len() / 2);
}
