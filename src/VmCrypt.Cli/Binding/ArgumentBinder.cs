using VmCrypt.Core.Errors;

namespace VmCrypt.Cli.Binding;

/// <summary>Gives a command its arguments, and each record of the pipeline its own on top of them.</summary>
internal sealed class ArgumentBinder
{
    private readonly CommandInfo _command;
    private readonly object _target;
    private readonly Dictionary<CommandParameter, IReadOnlyList<string>> _bound = [];

    // What the parameters of the pipeline are between two records.
    private readonly Dictionary<CommandParameter, object?> _defaults = [];

    /// <param name="target">The command; its own parameters are set at once, those that come with a record by <see cref="BindRecord"/>.</param>
    public ArgumentBinder(CommandInfo command, object target, ParsedArguments arguments)
    {
        _command = command;
        _target = target;
        foreach ((CommandParameter parameter, IReadOnlyList<string> texts) in arguments.Named.Where(named => command.Parameters.Contains(named.Key)))
        {
            _bound.Add(parameter, texts);
        }

        BindPositional(arguments.Positional);
        foreach ((CommandParameter parameter, IReadOnlyList<string> texts) in _bound)
        {
            parameter.SetValue(target, ArgumentConverter.Convert(parameter, texts));
        }
    }

    /// <summary>The parameter set that the arguments choose.</summary>
    /// <exception cref="InvalidInputException">Something is missing or does not go together.</exception>
    public string ParameterSet => Choose(_bound.Keys);

    /// <summary>Whether something mandatory is missing that a record of the pipeline could bring.</summary>
    public bool WantsRecords
    {
        get
        {
            CommandParameter[][] missing = [.. SetsThatFit(_bound.Keys).Select(set => Missing(set, _bound.Keys).ToArray())];
            return missing.All(parameters => parameters.Length > 0)
                && missing.Any(parameters => parameters.All(parameter => parameter.TakesRecords));
        }
    }

    /// <summary>Sets what the record brings, resets what the last one brought, and returns the parameter set.</summary>
    public string BindRecord(PipelineRecord record)
    {
        foreach ((CommandParameter parameter, object? value) in _defaults)
        {
            parameter.SetValue(_target, value);
        }

        HashSet<CommandParameter> bound = [.. _bound.Keys];
        foreach (CommandParameter parameter in _command.Parameters.Where(parameter => !_bound.ContainsKey(parameter)))
        {
            if (record.ValueFor(parameter) is { } texts)
            {
                _defaults.TryAdd(parameter, parameter.GetValue(_target));
                parameter.SetValue(_target, ArgumentConverter.Convert(parameter, texts));
                bound.Add(parameter);
            }
        }

        return Choose(bound);
    }

    private void BindPositional(IReadOnlyList<string> values)
    {
        foreach (string value in values)
        {
            if (NextPosition() is { } parameter)
            {
                _bound.Add(parameter, parameter.IsArray ? ArgumentParser.SplitAtCommas(value) : [value]);
            }
            else if (_bound.Keys.FirstOrDefault(TakesMore) is { } array)
            {
                // What the user's shell makes of *.qcow2 are so many arguments.
                _bound[array] = [.. _bound[array], value];
            }
            else
            {
                throw new InvalidInputException(ErrorIds.PositionalParameterNotFound, $"There is no place for the argument '{value}'.");
            }
        }
    }

    private CommandParameter? NextPosition()
    {
        string[] sets = SetsThatFit(_bound.Keys);
        return (from parameter in _command.Parameters
                where !_bound.ContainsKey(parameter)
                from set in sets
                let declaration = parameter.In(set)
                where declaration is { Position: >= 0 }
                orderby declaration.Position, set == _command.Cmdlet.DefaultParameterSetName descending
                select parameter).FirstOrDefault();
    }

    private static bool TakesMore(CommandParameter parameter) =>
        parameter.IsArray && parameter.Declarations.Any(declaration => declaration.Position >= 0);

    private string Choose(ICollection<CommandParameter> bound)
    {
        string[] fitting = SetsThatFit(bound);
        if (fitting.Length == 0)
        {
            IEnumerable<CommandParameter> special = bound.Where(parameter => _command.ParameterSets.Any(set => parameter.In(set) is null));
            throw new InvalidInputException(ErrorIds.AmbiguousParameterSet, $"These parameters do not go together: {List(special)}.");
        }

        string usual = _command.Cmdlet.DefaultParameterSetName;
        string[] complete = [.. fitting.Where(set => !Missing(set, bound).Any())];
        if (complete.Length == 0)
        {
            string nearest = fitting.Contains(usual) ? usual : fitting[0];
            throw new InvalidInputException(ErrorIds.MissingMandatoryParameter, $"{_command.Name} needs {List(Missing(nearest, bound))}.");
        }

        return complete.Contains(usual) ? usual : complete[0];
    }

    private string[] SetsThatFit(ICollection<CommandParameter> bound) =>
        [.. _command.ParameterSets.Where(set => bound.All(parameter => parameter.In(set) is not null))];

    private IEnumerable<CommandParameter> Missing(string set, ICollection<CommandParameter> bound) =>
        _command.Parameters.Where(parameter => parameter.In(set) is { Mandatory: true } && !bound.Contains(parameter));

    private static string List(IEnumerable<CommandParameter> parameters) => string.Join(", ", parameters.Select(parameter => "-" + parameter.Name));
}
