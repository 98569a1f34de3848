//! DataFusion tables over the lake, and the FlightSQL server.
