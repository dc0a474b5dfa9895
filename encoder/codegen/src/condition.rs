//! The conditions of `ignored.tsv`: tests joined by `and` and `or`.

use anyhow::{Context, Result, bail};

/// A member of the struct or command itself, or of another struct.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    pub of: Option<String>,
    pub member: String,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    Always,
    /// Neither 0 nor null.
    Set(Place),
    /// Equal to one of these.
    Is(Place, Vec<String>),
    Has(Place, String),
    /// The struct stands in one of these commands or structs.
    Within(Vec<String>),
    /// A question to the state of a graphics pipeline, with its argument.
    Graphics(String, Option<String>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Literal {
    pub not: bool,
    pub test: Test,
}

#[derive(Clone, Debug, PartialEq)]
pub enum When {
    /// One of these lists of tests passes in full.
    Told(Vec<Vec<Literal>>),
    /// The encoder can't know.
    Driver,
}

impl When {
    pub fn parse(text: &str) -> Result<Self> {
        if text.starts_with("driver: ") {
            return Ok(Self::Driver);
        }
        let all = |t: &str| t.split(" and ").map(Literal::parse).collect::<Result<Vec<_>>>();
        Ok(Self::Told(text.split(" or ").map(all).collect::<Result<_>>().with_context(|| text.to_string())?))
    }
}

impl Place {
    fn parse(text: &str) -> Result<Self> {
        let (of, member) = text.split_once('.').map_or((None, text), |(of, m)| (Some(of.to_string()), m));
        if member.is_empty() || !member.chars().all(|c| c.is_ascii_alphanumeric()) {
            bail!("{text:?} is no member");
        }
        Ok(Self { of, member: member.into() })
    }
}

impl Literal {
    fn parse(text: &str) -> Result<Self> {
        let (not, text) = text.strip_prefix("not ").map_or((false, text), |t| (true, t));
        let list = |t: &str| t.split('|').map(str::to_string).collect::<Vec<_>>();
        let test = if text == "always" {
            Test::Always
        } else if matches!(text, "discards" | "linked") {
            Test::Graphics(text.into(), None)
        } else if let Some((name, rest)) = text.split_once('(') {
            if !matches!(name, "dynamic" | "part" | "stage") {
                bail!("nothing is known of {name}(…)");
            }
            Test::Graphics(name.into(), Some(rest.strip_suffix(')').context("no closing bracket")?.into()))
        } else if let Some(parents) = text.strip_prefix("within ") {
            Test::Within(list(parents))
        } else if let Some((place, values)) = text.split_once(" is ") {
            Test::Is(Place::parse(place)?, list(values))
        } else if let Some((place, bit)) = text.split_once(" has ") {
            Test::Has(Place::parse(place)?, bit.into())
        } else {
            Test::Set(Place::parse(text)?)
        };
        Ok(Self { not, test })
    }
}
